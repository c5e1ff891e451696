"""Posts events: a new one is created, a repeated one is counted."""

from __future__ import annotations

from moorage.client.notes import Notes, again, event_of
from moorage.model.cluster import Event
from moorage.model.errors import ApiError
from moorage.model.ports import Client
from moorage.model.verbs import Note


async def post(client: Client, note: Note, component: str, now: float, notes: Notes) -> None:
    """Says a note once more. Raises ApiError or HostError; what was remembered is then unchanged."""
    event = event_of(note, component, now)
    said = notes.count(event.key)
    if said and await _counted(client, event, said + 1, now):
        notes.said(event.key, said + 1)
        return
    count = 1
    try:
        await client.create(event)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        count = (await client.get(Event, event.key)).count + 1
        await client.merge_patch(Event, event.key, again(count, now))
    notes.said(event.key, count)


async def _counted(client: Client, event: Event, count: int, now: float) -> bool:
    """False where the server has forgotten the Event meanwhile (it keeps them for an hour)."""
    try:
        await client.merge_patch(Event, event.key, again(count, now))
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True
