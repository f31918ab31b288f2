"""Endpoints: serving containers, from start to the first good ping and to the end."""
