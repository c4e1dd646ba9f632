"""The demos, a module each; ``elman.cli.demo`` lists them. Importing this package is cheap."""
