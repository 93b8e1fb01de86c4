"""The web page: drop or record a song, and see its report grow. It needs the extra `demo` (gradio)."""
