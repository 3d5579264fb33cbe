# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project
# shellcheck shell=bash

# Functions shared by the shell tools of this directory, which source it: . "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034
top=$(cd "$(dirname "$0")/.." && pwd)
tool=${0##*/}

say() { echo "$tool: $*" >&2; }
die() { say "$*"; exit 1; }

# The comment at the head of a tool, after the licence, is its help.
print_help() { sed -n '1,4d; /^#/!q; s/^# \{0,1\}//p' "$0"; }

print_version() { echo "$tool $(cat "$top/VERSION")"; }

# Print the help or the version and exit if an argument requests it.
help_if_asked()
{
	local word

	for word; do
		case $word in
		-h | --help)
			print_help
			exit 0 ;;
		--version)
			print_version
			exit 0 ;;
		esac
	done
}

# Exit because of a wrong argument.
bad_usage()
{
	say "$*; see $tool --help"
	exit 2
}

no_arguments()
{
	help_if_asked "$@"
	[ $# -eq 0 ] || bad_usage "'$1': $tool takes no arguments"
}

# Set cache to the directory for downloads and builds, which all checkouts share. Make cannot handle blanks and colons
# in the path of a kernel tree.
find_cache()
{
	local base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}

	case $base in
	'') die "neither XDG_CACHE_HOME nor HOME is set: set XDG_CACHE_HOME to a directory for builds" ;;
	*[[:space:]:]*) die "the cache cannot be in '$base': set XDG_CACHE_HOME to a path without blanks and colons" ;;
	/*) ;;
	*) die "the cache cannot be in '$base': set XDG_CACHE_HOME to an absolute path" ;;
	esac
	cache=$base/dpdk-vfio-wc
	if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
		die "the cache $cache cannot be written: set XDG_CACHE_HOME to a writable directory"
	fi
}

# The longest silence of a tool that waits for another program, in seconds.
progress_s=10

# Print the directory of Debian's DPDK in the cache, if it is there.
find_dpdk_source() { find "$cache/dpdk-src/" -maxdepth 1 -type d -name 'dpdk-22.11*' 2>/dev/null | sed -n 1p; }

# Run a command and set out to what it prints. From time to time, print its last line: run_with_progress COMMAND...
run_with_progress()
{
	local line now="" last=$SECONDS

	out=
	while IFS= read -r -t "$progress_s" line || [ $? -gt 128 ]; do
		[ -z "$line" ] || { now=$line; out+=$line$'\n'; }
		if [ -n "$now" ] && [ $((SECONDS - last)) -ge "$progress_s" ]; then
			last=$SECONDS
			say "$now"
		fi
	done < <(exec "$@" 2>&1)
	wait $!
}

# Run apt-get. If it fails, print MEANING before its output: apt_get MEANING ARGUMENTS...
apt_get()
{
	local meaning=$1 out

	shift
	run_with_progress apt-get -q -o APT::Update::Error-Mode=any "$@" || {
		say "$meaning; apt-get reports:"
		printf '%s' "$out" >&2
		return 1
	}
}

# Set apt_options so that apt keeps its state in a directory, which is emptied first: the system's state is unchanged.
private_apt()
{
	rm -rf "$1"
	mkdir -p "$1/lists/partial"
	apt_options=(-o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1" -o "APT::Sandbox::User=root")
}

# The same, with only the package sources in DIRECTORY/parts.
private_apt_sources()
{
	private_apt "$1"
	mkdir "$1/parts"
	apt_options+=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$1/parts")
}

# Exit because something that is fetched is not available: callers skip what needs it, and name it.
unavailable() { say "$*"; exit 3; }

# Print the address of Debian's archive in this machine's apt sources.
debian_archive()
{
	local uri

	uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n -E 's,^URIs: *(.*/debian/?)( .*)?$,\1,p' | sed -n 1p)
	[ -n "$uri" ] || uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n -E 's,^deb .*(https?://[^ ]*/debian/?) .*,\1,p' | sed -n 1p)
	echo "$uri"
}

# A list with only some suites of Debian, from the archive that this machine uses.
suites_list()
{
	local uri

	uri=$(debian_archive)
	[ -n "$uri" ] || unavailable "no Debian archive in apt's sources to fetch $2 from"
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$1"
	printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
}

# Set apt_options for suites of Debian, with the state in a directory: suites_apt DIRECTORY SUITES PACKAGE
suites_apt()
{
	private_apt_sources "$1"
	suites_list "$2" "$3" >"$1/parts/suites.sources"
}

# Exit unless MIB are free in an existing directory: need_space DIRECTORY MIB WHAT
need_space()
{
	local free

	free=$(df --output=avail -BM "$1" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$2" ] || die "$3 takes $2 MiB in $1, where $free MiB are free: free some space, or set XDG_CACHE_HOME"
}
