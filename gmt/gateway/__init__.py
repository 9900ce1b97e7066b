"""Serve a run over HTTP behind the interface of OpenAI's chat completions."""
