"""Publishing: export a folder, write its card, execute its notebook, ask it in a clean process, push, verify."""
