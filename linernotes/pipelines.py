"""Captions by transformers' `pipeline`: importing this module makes the task "music-captioning" known to it.

    import linernotes.pipelines
    from transformers import pipeline

    pipe = pipeline("music-captioning", model=linernotes.load("sonicverse-smol"))
    pipe("song.mp3")["generated_text"]

A folder could bring its pipeline along (`custom_pipelines` in its config.json), and transformers would run it: that is
refused here, so whoever wants the task imports it. Classifiers need nothing: transformers' own task
"audio-classification" asks them.
"""

from typing import Any

from transformers import AutoModel, Pipeline, PreTrainedModel
from transformers.pipelines import PIPELINE_REGISTRY

TASK = "music-captioning"
WRITERS = ("sonicverse",)  # families that write captions


class MusicCaptionPipeline(Pipeline):
    """Recordings -> what `predict` says of each, its `caption` by the name that transformers has: `generated_text`.

    Takes what `predict` takes, one recording, a list or a data set, and any of its options, such as `prompt`, `long` or
    `sampling_rate`, here or in a call. `batch_size` is how many recordings are heard at a time.
    """

    # nothing is loaded beside the model, which has its own
    _load_tokenizer = _load_feature_extractor = _load_processor = _load_image_processor = _load_video_processor = False

    def __init__(self, model: PreTrainedModel, **options: Any):
        """Raises ValueError where the model writes no captions."""
        family = model.config.model_type
        if family not in WRITERS:
            allowed = f"{TASK} asks a {' or a '.join(WRITERS)}"
            raise ValueError(f'this model is a {family}; {allowed}, and "audio-classification" asks classifiers')
        if model.language_model is None:
            raise ValueError(f"{model.config.model_name} has no language model here: {model.how_to_get_words()}")
        options.setdefault("feature_extractor", model.feature_extractor)  # without one transformers makes no batches
        super().__init__(model, **options)

    def _sanitize_parameters(self, **options: Any) -> tuple[dict, dict, dict]:
        return {}, options, {}

    def preprocess(self, recording: Any) -> dict[str, Any]:
        return {"audio": recording}

    def _forward(self, heard: dict[str, Any], **options: Any) -> dict[str, Any]:
        """`audio` is a recording, or a list of them where transformers makes batches; so is what it says of them."""
        return {"said": self.model.predict(heard["audio"], **options)}

    def postprocess(self, heard: dict[str, Any]) -> dict[str, Any]:
        said = heard["said"]
        return said if "error" in said else {"generated_text": said.pop("caption"), **said}


PIPELINE_REGISTRY.register_pipeline(TASK, MusicCaptionPipeline, pt_model=AutoModel)
