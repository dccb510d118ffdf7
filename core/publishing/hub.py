"""Handing an exported folder to the Hugging Face hub, by the hub's own library and the person's own login."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InputError, ours

LOGIN = "Run `hf auth login`, or set HF_TOKEN."


def check_ready(repo: str) -> None:
    """Raise InputError when *repo* can be no repository's name, or nobody is logged in: asked before anything is made,
    and without the network."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise InputError(f"Repository {repo[:100]!r}", "owner/name, of letters, digits, '-', '_' and '.'",
                         "Correct --push.") from None
    if get_token() is None:
        raise InputError("Nobody is logged in to the hub on this machine", "the token of an account that may write",
                         LOGIN)


def push(folder: Path, repo: str, *, message: str, public: bool = False, update: bool = False) -> str:
    """Make the repository *repo* and put what is in *folder* into it, as one commit with *message*; its address.

    The repository is private unless *public*: what was public once cannot be taken back. *update*: one that exists gets
    the commit on top of what it holds, and stays as private as it is; otherwise it is refused.

    Raises InputError for a name that can be none, without a login, without the network, and for what the hub refuses.
    """
    check_ready(repo)
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    api, made = HfApi(), False
    try:
        url = api.create_repo(repo, private=None if public else True, exist_ok=update)
        made = True
        api.upload_folder(repo_id=url.repo_id, folder_path=folder, commit_message=message)
    except OfflineModeIsEnabled:
        switch = next((name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)), "")
        raise InputError(f"The hub's library is kept off the network{f' by {switch}' if switch else ''}",
                         "a way to the hub", f"Unset {switch or 'it'} and push again.") from None
    except HfHubHTTPError as error:
        raise _refused(error, repo, made) from error
    except Exception as error:  # the network's errors have no common base: those of two libraries, and of the system
        if ours(error):
            raise
        raise InputError(f"The hub at {constants.ENDPOINT} cannot be reached ({_first_line(error)})",
                         "a way to the hub", f"Go online, then push again{_again(made)}.") from error
    return str(url)


def _refused(error: Exception, repo: str, made: bool) -> InputError:
    """What to say of the hub's refusal of *repo*, *made* or not."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return InputError("The hub does not know the token of this machine", "the token of an account that may write",
                          LOGIN)
    if status == 403:
        return InputError(f"This account may not write to {repo!r}", "a repository of its own, and a token that may "
                          "write", "Choose another --push, or log in with another token.")
    if status == 409 and not made:
        return InputError(f"The repository {repo!r} exists", "a new one",
                          "Add --update to commit on top of what it holds, or choose another --push.")
    said = getattr(error, "server_message", None) or _first_line(error)
    return InputError(f"The hub refuses {repo!r} ({status}: {said[:160]})", "a push that it takes",
                      f"Mend that, then push again{_again(made)}.")


def _again(made: bool) -> str:
    return " with --update: the repository is there, and empty" if made else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
