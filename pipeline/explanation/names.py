"""What is compared: the candidates and their measures, with their titles."""

METHODS = {
    "attention": "attention",
    "gradient_input": "gradient × input",
    "gradient_norm": "gradient norm",
    "integrated_gradients": "integrated gradients",
    "leave_one_out": "leave-one-out",
}
CONTROLS = {
    "other_seed": "another seed’s attention",
    "untrained_attention": "untrained attention",
    "idf": "rare words (IDF)",
    "position": "early steps",
    "random": "random steps",
}
LIME = "LIME"  # on a few rows alone, where it stands beside the methods
MEASURES = ("comprehensiveness", "sufficiency", "auprc")
# Measures that decide nothing, with their titles.
DETAILS = {
    "zeroed_comprehensiveness": "compre\N{SOFT HYPHEN}hensiveness, zeroed",
    "zeroed_sufficiency": "sufficiency, zeroed",
    "soft_comprehensiveness": "compre\N{SOFT HYPHEN}hensiveness, soft",
    "soft_sufficiency": "sufficiency, soft",
    "flip": "share of the weights to flip the class",
    "token_f1": "evidence, token F1",
    "iou_f1": "evidence, IOU F1",
}
