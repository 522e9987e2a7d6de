"""The provider's own command-line tool, `veniceai-cli`, from a checkout that is built or a folder of npm's."""

import os
import subprocess
import sys

from figures import BASE_URL, KEY, attempt

PROGRAM = os.path.join(sys.argv[1], "dist", "index.js")


def venice(*arguments):
    environment = os.environ | {
        "VENICE_API_KEY": KEY,
        "VENICE_API_BASE_URL": BASE_URL,
        "VENICE_SKIP_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        # What it keeps of its own is in here, and is empty.
        "HOME": os.getcwd(),
    }
    command = ["node", PROGRAM, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return " ".join(done.stdout.split())


def usage():
    version, commands = venice("--version"), venice("--help")
    asks = [word for word in ("billing", "balance") if word in commands.split()]
    return {
        "note": f"version {version}; it has {' and '.join(asks) or 'no command for billing or balance'}; `usage` says: "
        f"{venice('usage', '--format', 'json')}",
    }


attempt("`venice usage`", usage)
