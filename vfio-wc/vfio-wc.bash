# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project
# shellcheck shell=bash

# Completion of vfio-wc(8) for bash.

# Words that may follow an option or a command.
_vfio_wc_words()
{
	case $1 in
	--pid) cd /proc && printf '%s\n' [0-9]* ;;
	status) echo "--pid --json --prometheus --root" ;;
	doctor) echo "--root" && cd /sys/bus/pci/devices && printf '%s\n' * ;;
	*) echo "status doctor --root --help --version" ;;
	esac 2>/dev/null
}

_vfio_wc()
{
	local context="" each word=${COMP_LINE:0:COMP_POINT}

	# Readline takes the colons of a PCI address for ends of words.
	word=${word##* }
	for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $each in
		status | doctor) context=$each ;;
		esac
	done
	case $3 in
	--pid)
		context=--pid ;;
	--root)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$(_vfio_wc_words "$context")" -- "$word")
	if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
	fi
}

complete -F _vfio_wc vfio-wc
