"""How a network learns: every setting of training, told once."""

from dataclasses import dataclass, field, fields, replace

# Chosen for some ten thousand photos and random weights.
ADAMW = dict(class_name="AdamW", config=dict(weight_decay=1e-3, beta_2=0.99))


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; by default those for random weights and ten thousand photos.

    loss: the name of an objective, see `models.objective`, or any loss that Keras knows.
    optimizer: any that Keras knows: a name, or its dict of a class and its settings.
    initial: the weights to begin with where layers agree: "imagenet", or what `models.load` takes;
        None for random ones.
    frozen: beginnings of the names of layers that keep their first weights, where there are any.
    learning_rate: the highest.
    schedule: of the learning rate: "constant", or "cosine", which rises, then falls.
    batch_size: photos a step.
    size: height and width of what the network sees, pixels.
    augment: random crops and mirroring.
    mixed: the size of a batch is `size` - 32, `size` or `size` + 32, in turn.
    hints: random colour hints beside L.
    age: the share of photos whose L comes from their grey version, half of these aged.
    damage: L is given damage, which the network learns to find; no colours.
    labels: classes are learnt too, see `dataset.labels`.
    per_set: at most so many photos of one set an epoch, drawn anew for each, so that what there
        are many photos of does not outweigh the rest; None for all.
    epochs: in all, those of earlier calls counted in; the paper does not say how many.
    seed: of the first weights, the order of the photos, their crops and hints.
    sized: the network's builder takes the size too, as its weights are tied to it.
    """

    loss: str = "mse"
    optimizer: str | dict = field(default_factory=lambda: ADAMW)
    initial: str | None = None
    frozen: tuple = ()
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    batch_size: int = 32
    size: int = 128
    augment: bool = True
    mixed: bool = False
    hints: bool = False
    age: float = 0.0
    damage: bool = False
    labels: bool = False
    per_set: int | None = None
    epochs: int = 30
    seed: int = 0
    sized: bool = False

    def plain(self) -> "Recipe":
        """The recipe for photos as they are, such as those of validation."""
        return replace(self, augment=False, mixed=False, hints=False, age=0.0, per_set=None)

    def but(self, **settings: object) -> "Recipe":
        """The recipe with other settings.

        Raises:
            ValueError: an unknown setting, or sizes too small to be mixed.
        """
        known = [one.name for one in fields(self)]
        unknown = settings.keys() - set(known)
        if unknown:
            raise ValueError(f"no setting {min(unknown)!r}; there are: {', '.join(known)}")
        changed = replace(self, **settings)
        if changed.mixed and changed.size < 64:
            raise ValueError(f"size {changed.size}: mixed sizes need 64 or more")
        return changed
