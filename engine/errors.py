"""What can go wrong in the engine.

EngineError
├── LibraryMismatch     the native library is not the one this code was written against
├── ModelUnusable       a model file that cannot be used
│   ├── NotGguf         the file is not GGUF at all
│   └── GgufTruncated   the file ends before its own header says
├── ContextTooLarge     the context does not fit the memory, or the model's window
├── PromptTooLong       question and documents do not fit the context
├── DecodeFailed        llama.cpp refused a batch
├── StateInvalid        a chunk's or conversation's state that does not fit this model
├── RedirectFailed      the graph did not offer the inputs a redirected decode rewrites
├── Cancelled           somebody asked the running request to stop
└── EngineStopped       the compute thread has ended; nothing will be answered any more
"""


class EngineError(Exception):
    """Base of everything that the engine raises on purpose; the text is for the user."""


class LibraryMismatch(EngineError):
    """The native library's structs or version differ from what engine/bindings.py declares."""


class ModelUnusable(EngineError):
    """A model file that cannot be used."""


class NotGguf(ModelUnusable):
    """The file does not begin like a GGUF file."""


class GgufTruncated(ModelUnusable):
    """The file ends before the place its header promises."""


class ContextTooLarge(EngineError):
    """The context needs more memory than the machine has free, or more positions than the model knows."""


class PromptTooLong(EngineError):
    """Question and documents do not fit the context."""


class DecodeFailed(EngineError):
    """llama.cpp refused or failed a batch."""


class StateInvalid(EngineError):
    """A chunk's state whose structure does not fit this model's KV cache, or a conversation's that does not fit its
    transcript."""


class RedirectFailed(EngineError):
    """The compute graph did not offer the inputs that a redirected decode rewrites."""


class Cancelled(EngineError):
    """The running request was asked to stop."""


class EngineStopped(EngineError):
    """The compute thread has ended, for the reason in the text; the model has to be loaded again."""
