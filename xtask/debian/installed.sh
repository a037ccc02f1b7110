#!/bin/sh
# Runs in a chroot without Rust: installs the package, uses it, and removes it again.
set -eu
expect() { # expect WHAT PATTERN: standard input contains the pattern
    if ! grep -q -- "$2"; then
        echo "$1: no $2" >&2
        exit 1
    fi
}

dpkg --install /hipflask.deb > /dev/null
dpkg --verify hipflask
hipflask cookie decode eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74 | expect decode '"session":{"a":1}'
key=$(hipflask key new)
cookie=$(SECRET_KEY=$key hipflask cookie sign --key-env SECRET_KEY '{"user": "ada"}' | cut -d '"' -f 6)
SECRET_KEY=$key hipflask cookie verify --key-env SECRET_KEY "$cookie" | expect verify '"user":"ada"'
work=$(mktemp -d)
mkdir "$work/sessions"
HIPFLASK_STORE=file:$work/sessions hipflask store count --json | expect store 0
{ hipflask store count --store "sqlite:$work/missing.db" 2>&1 || true; } | expect SQLite "does not exist"

zcat /usr/share/man/man1/hipflask-cookie-sign.1.gz | expect "man page" "SH SYNOPSIS"
man --local-file /usr/share/man/man1/hipflask.1.gz 2> /dev/null | expect man "hipflask"
test -s /usr/share/doc/hipflask/copyright
zcat /usr/share/doc/hipflask/licences.gz | expect licences "== clap "

bash -c 'source /usr/share/bash-completion/bash_completion; _completion_loader hipflask; complete -p hipflask' |
    expect "completion in bash" "_hipflask"
fish -c 'complete -C "hipflask store co"' | expect "completion in fish" "^count"
# Without a terminal zsh does not complete: check that it finds and loads the function.
zsh -f -c 'autoload -Uz compinit; compinit -u -D; print $_comps[hipflask]; autoload +X _hipflask; functions' |
    expect "completion in zsh" "_hipflask__store_commands\|_hipflask__subcmd__store_commands"

dpkg --purge hipflask > /dev/null
test -z "$(find /usr -name '*hipflask*')"
rm -r "$work"
