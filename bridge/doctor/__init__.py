"""Checks everything between the operator and an answer, one plain sentence each."""
