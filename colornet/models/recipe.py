"""How networks learn from random weights, unless their own file says otherwise."""

# Chosen for some ten thousand photos: a rate that rises, then falls as half a cosine.
FROM_SCRATCH = dict(
    initial=None,
    frozen=(),
    optimizer=dict(class_name="AdamW", config=dict(weight_decay=1e-3, beta_2=0.99)),
    learning_rate=1e-3,
    schedule="cosine",
    batch_size=32,
    size=128,
    augment=True,
    mixed=False,
    hints=False,
    age=0.0,
    labels=False,
    per_set=None,
)
