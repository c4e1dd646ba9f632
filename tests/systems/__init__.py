"""The four systems, each proven equal to a plain transcription."""
