"""Proves that the provider streams right: one test for each rule and backend."""

from streamkit_conformance import Ask, Conformance, Finish, Reasoning, Script, Spoken, Text, Tokens


class Echo(Spoken):
    """Echo speaks to no service: it can only be made to say back what it is asked."""

    name = "echo"
    losses = frozenset({"tools", "refusal", "whole"})

    def say(self, script: Script) -> tuple[Ask, Script] | None:
        """Asks for the script's text; the model `thinker` thinks first, always the same."""
        text = "".join(event.text for event in script.events if isinstance(event, Text))
        if not text.strip() or text != text.rstrip():
            return None
        thinks = any(isinstance(event, Reasoning) for event in script.events)
        words = len(text.split())
        thought = (Reasoning("I will say the same."),) if thinks else ()
        said = Script((*thought, Text(text), Tokens(words, words), Finish("stop", raw="done")))
        return Ask(messages=text, model="thinker" if thinks else "echo"), said


target = Conformance("echo", dialect=Echo())
