"""Text model formats: tokenise, build, verify, save, load, score. One sub-package per family.

Entry points: `families.fit_family` builds a model and `artifacts.save_artifact` writes it;
`artifacts.load_artifact` checks every byte and returns a `predictions.Predictor`;
`reference.build_reference` describes the texts a version was accepted on;
`text_measures.measure_text` and `slices.length_slice` describe one text without keeping it.

An engine (scikit-learn, Keras) is imported only when a family that needs it is fitted or
loaded. Nothing here knows of HTTP, stages or where an artifact is kept.
"""
