"""The Hugging Face hub: what a repository has, and downloads into the cache that all programs share.

The only module that knows huggingface_hub, an optional dependency (`pip install 'steep[download]'`), imported late: it
takes a third of a second. It contributes endpoint, tokens, proxies, error classes and the layout of the cache. The
bytes are brought by `app.models.transfer`, because hf_hub_download keeps nothing of a download that is interrupted
(since 1.x every call begins a new file). Called at the end, it finds the whole file and links it into the snapshot.

Any thread; one download of a file at a time, also among processes. Nothing is written to the screen.
"""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from app.errors import DownloadFailed, WrongUse
from app.models.hub_layout import repository_folder
from app.models.part_file import PartFile
from app.models.repository import HubFile, Offer
from app.models.transfer import LineBroken, Stream, transfer

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

Progress = Callable[[int, int], None]
"""Takes bytes done and bytes in all."""

_TIMEOUT_SECONDS = 30
"""Without a byte: longer than any stall of a line that goes on."""

_PIECE_BYTES = 64 << 10
"""At a time: some a second on slow lines, so that progress moves, stopping is felt, and little is lost."""

_SHA256, _ETAG = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9A-Za-z]+")
_RANGE_START = re.compile(r"bytes (\d+)-")
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes of a server that may do better in a moment."""

_PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Hub:
    """Where downloads come from, and where they go."""

    cache: Path
    endpoint: str = ""
    """Empty: what HF_ENDPOINT says, else the public hub."""

    def files(self, repository: str) -> list[HubFile]:
        """The files of a repository. Raises `DownloadFailed` or `WrongUse`."""
        library = _library()
        with self._told(repository):
            api = library.HfApi(endpoint=self.endpoint or None, library_name="steep")
            info = api.model_info(repository, files_metadata=True, timeout=_TIMEOUT_SECONDS)
        return [HubFile(each.rfilename, each.size or 0) for each in info.siblings or ()]

    def download(
        self,
        repository: str,
        offer: Offer,
        progress: Progress = lambda _done, _total: None,
        stopped: threading.Event | None = None,
    ) -> Path:
        """Download a model with all its parts, from where an earlier try ended; the file to load.

        Raises `DownloadFailed`, `DownloadStopped` once `stopped` is set, `WrongUse`, or OSError from the disk.
        """
        stopped = stopped or threading.Event()
        paths: list[Path] = []
        num_before = 0
        for name in offer.files.files:
            file = _Download(self, repository, name, stopped)
            with self._told(repository):
                paths.append(file.run(lambda done, before=num_before: progress(before + done, offer.num_bytes)))
            num_before += paths[-1].stat().st_size
        return paths[0]

    @property
    def address(self) -> str:
        """Of the hub, for messages."""
        return (self.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")

    @contextmanager
    def _told(self, repository: str) -> Iterator[None]:
        """What goes wrong between here and the hub, as one sentence."""
        from huggingface_hub import errors

        try:
            yield
        except errors.HFValidationError as error:
            raise WrongUse(f"{repository!r} is no name of a repository; give OWNER/NAME, as on the hub") from error
        except errors.GatedRepoError as error:
            raise DownloadFailed(
                f"{repository} is given to those who accept its terms: do so at {self.address}/{repository}, "
                "then log in with: hf auth login"
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise DownloadFailed(
                f"{self.address} has no repository {repository} that you may see; if it is private, log in with: "
                "hf auth login"
            ) from error
        except errors.OfflineModeIsEnabled as error:
            raise DownloadFailed("nothing is downloaded while HF_HUB_OFFLINE is set; unset it") from error
        except (LineBroken, _http_error(), errors.LocalEntryNotFoundError, errors.FileMetadataError) as error:
            raise DownloadFailed(f"{self._trouble(error)}. What has arrived is kept; try again later.") from error

    def _trouble(self, error: BaseException) -> str:
        cause = error.__cause__ or error
        response = getattr(cause, "response", None)
        if response is not None:
            return f"{self.address} answered with HTTP status {response.status_code}"
        first_line = str(cause).strip().partition("\n")[0] or type(cause).__name__
        return f"{self.address} cannot be reached: {first_line.rstrip('.')}"


class _Download:
    """One file on its way into the cache."""

    def __init__(self, hub: Hub, repository: str, name: str, stopped: threading.Event) -> None:
        self._library = _library()
        self._hub, self._repository, self._name, self._stopped = hub, repository, name, stopped
        self._endpoint = hub.endpoint or None

    def run(self, progress: Callable[[int], None]) -> Path:
        """Bring it here if it is not; where it is."""
        url = self._library.hf_hub_url(self._repository, self._name, endpoint=self._endpoint)
        metadata = self._library.get_hf_file_metadata(url, endpoint=self._endpoint, timeout=_TIMEOUT_SECONDS)
        blob = self._blob(metadata)
        if not blob.exists():
            with self._lock(blob.name):
                self._bring(metadata, blob, progress)
        progress(blob.stat().st_size)
        return self._link()

    def _blob(self, metadata: "HfFileMetadata") -> Path:
        if not metadata.etag or not _ETAG.fullmatch(metadata.etag) or not metadata.commit_hash or not metadata.size:
            raise DownloadFailed(f"{self._hub.address} is no Hugging Face hub: it does not say what {self._name} is")
        return repository_folder(self._hub.cache, self._repository) / "blobs" / metadata.etag

    def _bring(self, metadata: "HfFileMetadata", blob: Path, progress: Callable[[int], None]) -> None:
        num_bytes = metadata.size or 0
        blob.parent.mkdir(parents=True, exist_ok=True)
        url = self._library.hf_hub_url(
            self._repository, self._name, revision=metadata.commit_hash, endpoint=self._endpoint
        )
        with PartFile(blob.with_name(f"{blob.name}.steep.incomplete")) as part:
            self._check_space(blob.parent, num_bytes - part.num_bytes)
            transfer(lambda offset: self._open(url, offset), part, num_bytes, progress, self._stopped)
            if part.num_bytes != num_bytes or (_SHA256.fullmatch(blob.name) and part.sha256 != blob.name):
                part.restart()
                raise DownloadFailed(f"{self._name} arrived damaged, and was thrown away; download it again")
            part.finish(blob)

    def _check_space(self, folder: Path, num_bytes: int) -> None:
        free = shutil.disk_usage(folder).free
        if num_bytes > free:
            raise DownloadFailed(
                f"{self._name} needs {num_bytes / 1e9:,.1f} GB more, and {folder} has room for {free / 1e9:,.1f} GB. "
                "Make room, or let HF_HUB_CACHE name a folder on another disk."
            )

    @contextmanager
    def _open(self, url: str, offset: int) -> Iterator[Stream]:
        from huggingface_hub.utils import build_hf_headers

        # Whole bytes: a length that is compressed on the way counts other ones.
        headers = build_hf_headers(library_name="steep") | {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        options = {"headers": headers, "timeout": _TIMEOUT_SECONDS, "follow_redirects": True}
        try:
            with self._library.get_session().stream("GET", url, **options) as response:
                self._library.hf_raise_for_status(response)
                yield Stream(_offset(response), response.iter_bytes(_PIECE_BYTES))
        except _http_error() as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code not in _TRY_AGAIN:
                raise
            raise LineBroken(str(error)) from error

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        folder = self._hub.cache / ".locks" / repository_folder(Path(), self._repository).name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / f"{name}.steep.lock", timeout=0):
                yield
        except Timeout:
            raise DownloadFailed(f"{self._name} is being downloaded already, by another process") from None

    def _link(self) -> Path:
        """Into the snapshot of its commit, as everybody expects."""
        path = self._library.hf_hub_download(
            self._repository, self._name, cache_dir=self._hub.cache, endpoint=self._endpoint, library_name="steep"
        )
        return Path(path)


def _offset(response: Any) -> int:
    """Where the bytes of a response begin in the file."""
    if response.status_code != _PARTIAL:
        return 0
    match = _RANGE_START.match(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else 0


def _http_error() -> type[Exception]:
    """Base of what its HTTP client raises: httpx's or httpx2's, by its version."""
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    return HTTPError


def _library() -> Any:
    """huggingface_hub, kept from writing to the screen, and from telling the hub what else runs here."""
    for name in ("HF_HUB_DISABLE_SYMLINKS_WARNING", "HF_HUB_DISABLE_TELEMETRY"):  # read when it is imported
        os.environ.setdefault(name, "1")
    try:
        import huggingface_hub
        from huggingface_hub import utils
    except ImportError as error:
        raise DownloadFailed("downloading needs huggingface_hub: pip install 'steep[download]'") from error
    utils.logging.set_verbosity_error()
    utils.disable_progress_bars()
    return huggingface_hub
