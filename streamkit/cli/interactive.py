"""A conversation on a terminal: questions, answers, and a few words that start with a slash."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streamkit import __version__
from streamkit.cli.chat import Chat, checked_ref
from streamkit.cli.images import read_image
from streamkit.cli.prompt import make_reader
from streamkit.cli.terminal import (
    INSTALL_EXTRA,
    complain,
    for_the_shell,
    is_rich_terminal,
    note,
    write,
)
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.messages import ImagePart, Message
from streamkit.model import Model
from streamkit.provider import HTTPProvider
from streamkit.request import ChatRequest

_HELP: Final = """\
/help            this list
/model [REF]     talk to another model, with the same conversation; alone: which it is
/system [TEXT]   set the system message; alone: show it; - removes it
/image FILE|URL  send an image with the next message
/clear           forget the conversation
/exit            leave, as Ctrl-D does
Alt+Enter, or a backslash at the end of a line, begins a new line; pasted text keeps its lines.
Ctrl-C stops an answer and keeps what was said."""


@dataclass(slots=True)
class _Conversation:
    """What has been said, and what comes next."""

    chat: Chat
    model: Model
    images: list[ImagePart]
    history: list[Message] = field(default_factory=list)
    is_over: bool = False

    def say(self, text: str) -> None:
        """Sends a message; it and its answer become history, as far as there is an answer."""
        message = Message.user(text, *self.images)
        asked = [*self.history, message]
        response, _ = self.chat.ask(self.model, asked)
        if response.text or response.refusal or response.tool_calls:
            self.history = [*asked, response.message()]
            self.images = []
        else:
            note("[Nothing was answered: the message is not kept. Up brings it back.]")


def converse(chat: Chat, images: list[ImagePart], *, keep_history: bool) -> int:
    """Talks until the user leaves; returns the exit code.

    Raises:
        ConfigurationError: The model cannot be made.
    """
    conversation = _Conversation(chat, chat.model(), images)
    read = make_reader(keep_history=keep_history, commands=sorted(_COMMANDS))
    note(
        f"streamkit {__version__} · {conversation.model.ref} · /help lists commands, Ctrl-D leaves"
    )
    if not is_rich_terminal(sys.stdout):
        note(f"Markdown and an editable prompt come with: {INSTALL_EXTRA}")
    while not conversation.is_over:
        try:
            text = read()
        except KeyboardInterrupt:
            note("Ctrl-D or /exit leaves.")
            continue
        except EOFError:
            break
        if text.strip():
            _answer(conversation, text)
    return 0


def _answer(conversation: _Conversation, text: str) -> None:
    """Carries out a command or sends a message; what goes wrong is said, and the talk goes on."""
    word, _, rest = text.strip().partition(" ")
    # A path such as /etc/hosts may begin a question; a command is one word.
    is_command = word.startswith("/") and "/" not in word[1:] and "\n" not in word
    try:
        if not is_command:
            conversation.say(text.strip())
        elif word in _COMMANDS and rest.strip() and word in _ALONE:
            complain(f"{word} stands alone; nothing was done.")
        elif word in _COMMANDS:
            _COMMANDS[word](conversation, rest.strip())
        else:
            complain(f"There is no command {word}; /help lists them.")
    except ConfigurationError as error:
        complain(for_the_shell(str(error)))
    except KeyboardInterrupt:
        note("[stopped]")
    write(sys.stdout, "\n")


def _help(conversation: _Conversation, rest: str) -> None:
    write(sys.stdout, f"{_HELP}\n")


def _leave(conversation: _Conversation, rest: str) -> None:
    conversation.is_over = True


def _clear(conversation: _Conversation, rest: str) -> None:
    conversation.history = []
    note("The conversation begins anew.")


def _model(conversation: _Conversation, rest: str) -> None:
    if rest:
        rest = checked_ref(rest)
        chat = conversation.chat
        before = chat.ref, chat.base_url, chat.options
        is_same_service = rest.partition("/")[0] == chat.ref.partition("/")[0]
        if not is_same_service:
            # An address and options of one service mean nothing to another.
            chat.base_url, chat.options = None, {}
        chat.ref = rest
        try:
            model = chat.model()
            _refuse_unserved(model)
            conversation.model = model
        except ConfigurationError:
            chat.ref, chat.base_url, chat.options = before
            raise
    note(f"The model is {conversation.model.ref}.")


def _refuse_unserved(model: Model) -> None:
    """Refuses a model that its provider itself knows not to serve, before a question is lost to it.

    Raises:
        ConfigurationError: The provider says so.
    """
    if not isinstance(model.provider, HTTPProvider):
        return
    name = model.ref.partition("/")[2]
    try:
        model.provider.request(ChatRequest(model=name, messages=(Message.user("Hello."),)))
    except ProviderError as error:
        if error.kind == "not_found":
            raise ConfigurationError(for_the_shell(error.message)) from None
    except Exception:
        # A bug of the plug-in: the next question meets it too, and then it is told in full.
        return


def _system(conversation: _Conversation, rest: str) -> None:
    chat = conversation.chat
    if rest:
        chat.system = None if rest == "-" else rest
    note(f"System message: {chat.system}" if chat.system else "There is no system message.")


def _image(conversation: _Conversation, rest: str) -> None:
    conversation.images.append(read_image(rest))
    note(f"{len(conversation.images)} with the next message.")


# Words that nothing follows: a question that begins with one must not cost the conversation.
_ALONE: Final = frozenset({"/help", "/exit", "/clear"})

_COMMANDS: Final[dict[str, Callable[[_Conversation, str], None]]] = {
    "/help": _help,
    "/exit": _leave,
    "/clear": _clear,
    "/model": _model,
    "/system": _system,
    "/image": _image,
}
