"""What statuses share: the last that was done for an object."""

from typing import Annotated

from powerplane.models.api.fields import ApiStruct, Moment, bounded


class LastAction(ApiStruct, frozen=True):
    """The last that was done, or held back.

    Attributes
    ----------
    at
        When.
    what
        What was done, as one word that programs can read.
    why
        Why, as a sentence for people.
    plan
        The plan that did it.
    """

    at: Moment | None = None
    what: Annotated[str, bounded(maxLength=64)] = ""
    why: Annotated[str, bounded(maxLength=1024)] = ""
    plan: Annotated[str, bounded(maxLength=253)] = ""
