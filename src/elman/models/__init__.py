"""Where the pillars meet: what a user holds (estimators, models, model files, evaluations)."""
