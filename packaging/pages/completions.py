# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Completion of a program's command line by bash and zsh."""

_HEADER = """\
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
# Made from {name} --help.
"""


def _inherited(command, parents):
    """Options of the command and of those above it: CLI11 accepts both behind a subcommand."""
    seen, options = set(), []
    for entry in [o for c in (command, *parents) for o in c.options]:
        if entry.names[0] not in seen:
            seen.add(entry.names[0])
            options.append(entry)
    return options


def _with_parents(command, parents=()):
    yield command, parents
    for sub in command.subcommands:
        yield from _with_parents(sub, (command, *parents))


# --- bash -----------------------------------------------------------------------

_BASH = """\
{header}
_{function}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  local at={name} word i is_value=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    if [ "$is_value" = 1 ]; then is_value=0; continue; fi
    case "$at $word" in
{walk}
    esac
  done
  case "$at $prev" in
{values}
  esac
  case "$at" in
{words}
  esac
}}
complete -o filenames -F _{function} {name}
"""


def _pattern(at, names):
    return " | ".join(f'"{at} {name}"' for name in names)


def _bash_value(entry):
    if entry.choices():
        return f'COMPREPLY=($(compgen -W "{" ".join(entry.choices())}" -- "$cur"))'
    return 'COMPREPLY=($(compgen -f -- "$cur"))' if entry.is_file() else ":"


def _bash_reply(command, parents):
    words = [n for o in _inherited(command, parents) for n in o.names]
    words += [c.words[-1] for c in command.subcommands]
    files = any(p.is_file() for p in command.positionals)
    reply = f'COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur"))'
    if files:
        reply = f'if [[ $cur == -* ]]; then {reply}; else COMPREPLY=($(compgen -f -- "$cur")); fi'
    return reply


def bash(command):
    name = command.words[0]
    walk, values, words = [], [], []
    for here, parents in _with_parents(command):
        at = here.name()
        for sub in here.subcommands:
            walk.append(f'      "{at} {sub.words[-1]}") at="{sub.name()}" ;;')
        for option in _inherited(here, parents):
            if not option.is_flag():
                walk.append(f"      {_pattern(at, option.names)}) is_value=1 ;;")
                values.append(f"    {_pattern(at, option.names)}) {_bash_value(option)}; return ;;")
        words.append(f'    "{at}") {_bash_reply(here, parents)} ;;')
    if any(" -- COMMAND" in line for line in command.usage):
        walk.insert(0, f'      "{name} --") at=other ;;')
        values.insert(0, '    "other --") COMPREPLY=($(compgen -c -- "$cur")); return ;;')
        words.append('    other) COMPREPLY=($(compgen -f -- "$cur")) ;;')
    return _BASH.format(header=_HEADER.format(name=name), function=_function(name), name=name,
                        walk="\n".join(walk), values="\n".join(values), words="\n".join(words))


def _function(name):
    return name.replace("-", "_")


# --- zsh ------------------------------------------------------------------------

def _quoted(text):
    """For a specification of _arguments or _describe, in single quotes."""
    first = " ".join(text.split())
    for character in "\\[]:":
        first = first.replace(character, f"\\{character}")
    return first.replace("'", "'\\''")


def _zsh_value(entry):
    if entry.choices():
        return f":value:({' '.join(entry.choices())})"
    return ":file:_files" if entry.is_file() else ":value: "


def _zsh_option(entry):
    value = "" if entry.is_flag() else _zsh_value(entry)
    text = f"[{_quoted(entry.text)}]{value}"
    if len(entry.names) == 1:
        return f"    '{entry.names[0]}{text}'"
    exclusive = f"({' '.join(entry.names)})"
    return f"    '{exclusive}'{{{','.join(entry.names)}}}'{text}'"


def _zsh_function(command, parents):
    lines = [f"_{_function('_'.join(command.words))}() {{", "  local curcontext=$curcontext state line",
             "  local -A opt_args", "  _arguments -C -S \\"]
    specs = [_zsh_option(o) for o in _inherited(command, parents)]
    if command.subcommands:
        specs += ["    '1: :->command'", "    '*:: :->rest'"]
    elif any(" -- COMMAND" in line for line in command.usage):
        specs += ["    '(-)1:command: _command_names -e'", "    '*::arguments:_normal'"]
    else:
        for number, entry in enumerate(command.positionals, 1):
            action = "_files" if entry.is_file() else " "
            specs.append(f"    '{number}:{entry.names[0].lower()}:{action}'")
    lines.append(" \\\n".join(specs))
    if command.subcommands:
        lines += ["  case $state in", "  command)", "    local -a commands=("]
        lines += [f"      '{c.words[-1]}:{_quoted(' '.join(c.description))}'" for c in command.subcommands]
        lines += ["    )", "    _describe command commands ;;", "  rest)", "    case $words[1] in"]
        lines += [f"    {c.words[-1]}) _{_function('_'.join(c.words))} ;;" for c in command.subcommands]
        lines += ["    esac ;;", "  esac"]
    return "\n".join([*lines, "}"])


def zsh(command):
    name = command.words[0]
    functions = [_zsh_function(here, parents) for here, parents in _with_parents(command)]
    # zsh loads the file as the function itself, so the last line is its first call.
    return "\n".join([f"#compdef {name}", _HEADER.format(name=name), *functions,
                      f'_{_function(name)} "$@"', ""])
