"""The environment of a server: that of the harness, without the variables that change what a runtime does.

A developer sets them for his own programs, and forgets them. With some, every server of a language prints more, starts
late or uses other memory than it does for everybody else; with others, a fault is hidden, such as a server that forgets
to flush. Who wants such a setting for a server writes it into its command.
"""

from __future__ import annotations

import os
import re

HIDDEN_VARIABLES = re.compile(
    r"PYTHON(UNBUFFERED|DEVMODE|ASYNCIODEBUG|DEBUG|INSPECT|OPTIMIZE|VERBOSE|WARNINGS|TRACEMALLOC|MALLOC|MALLOCSTATS)"
    r"|PYTHON(PROFILEIMPORTTIME|FAULTHANDLER|HASHSEED|DUMPREFS|BREAKPOINT|STARTUP|INTMAXSTRDIGITS|NODEBUGRANGES)"
    r"|PYTHON_(GIL|JIT|CPU_COUNT|PERF_JIT_SUPPORT|CONTEXT_AWARE_WARNINGS)|PYTHONPERFSUPPORT|PYPY_GC_\w+|PYPYLOG"
    r"|NODE_(OPTIONS|DEBUG|DEBUG_NATIVE|V8_COVERAGE|PENDING_DEPRECATION|NO_WARNINGS)|UV_(THREADPOOL_SIZE|USE_IO_URING)|BUN_(OPTIONS|JSC_\w+)"
    r"|DENO_V8_FLAGS|_?JAVA_OPTIONS|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|JAVA_OPTS"
    r"|GODEBUG|GOGC|GOMAXPROCS|GOMEMLIMIT|GOTRACEBACK|GORACE"
    r"|RUBYOPT|RUBY_(GC|YJIT|RJIT|THREAD|FIBER|MAX|MN)_\w+|PERL5OPT|PERL5DB|PERL_(UNICODE|HASH_SEED|SIGNALS|MEM_LOG)"
    r"|GHCRTS|O?CAMLRUNPARAM|ERL_\w*FLAGS|ELIXIR_ERL_OPTIONS|LUA_INIT\w*"
    r"|(DOTNET|COMPlus)_(gc|GC|Tiered|TC_|ThreadPool|System)\w*|JULIA_NUM_\w+|OMP_\w+|TOKIO_WORKER_THREADS"
    r"|RUST_(BACKTRACE|LOG|MIN_STACK)|RUST_LIB_BACKTRACE|(MI)?MALLOC_\w+|_RJEM_MALLOC_CONF|GLIBC_TUNABLES"
)


def of_server() -> dict[str, str]:
    """Return the variables that a server gets."""
    return {name: value for name, value in os.environ.items() if not HIDDEN_VARIABLES.fullmatch(name)}
