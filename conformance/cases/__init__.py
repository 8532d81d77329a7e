"""The cases: one file a class and topic, one function a case."""
