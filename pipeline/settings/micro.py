"""Sections of the formats that micro stations send: HJ 212 messages, and files of numbered devices."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings.base import Positive, Section


class Hj212Settings(Section):
    """Which messages of HJ 212-2017 are a station's, and what in them is the gas; nothing about it is guessed."""

    mn: str = Field(min_length=1, description="the device's number, MN of its messages")
    factor: str = Field(
        pattern=r"^[A-Za-z0-9]+$", description='code of the gas in the messages, for example "a05001" as its maker says'
    )
    unit: str = Field(description='unit of the factor\'s values, for example "ppm"')
    data: Literal["2011", "2051", "2061"] = Field(
        default="2061", description="messages that are read: 2011 (real time, -Rtd), 2051 (minutes), 2061 (hours, -Avg)"
    )
    minutes: Positive | None = Field(
        default=None, description="averaging interval of one message, minutes, for 2011 and 2051; an hour for 2061"
    )

    @model_validator(mode="after")
    def _interval_known(self) -> Self:
        if (self.data == "2061") != (self.minutes is None):
            raise ValueError("minutes must be given for data 2011 and 2051, and only for them")
        return self


class NodeSettings(Section):
    """One device of a network that numbers them."""

    id: str = Field(
        min_length=1, description='number of the device in its file: node of beaco2n, pod of aqmesh ("175")'
    )
    valid: list[str] = Field(
        default_factory=list,
        description='quality levels (["1a", "2a"]) or ratification states (["R"]) that are used; all when not given',
    )
