# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project
# shellcheck shell=bash

# Completion of vfio-wc(8) for bash.

# Words that may follow an option or a command.
_vfio_wc_words()
{
	case $1 in
	--pid) cd /proc && printf '%s\n' [0-9]* ;;
	--bar) cd /sys/bus/pci/devices && printf '%s\n' * ;;
	--driver) echo "net_ena raw_ntb net_ionic" ;;
	--mode) echo "auto strict" ;;
	run) echo "--bar --driver --mode --" ;;
	status) echo "--pid --json --prometheus --root" ;;
	measure) echo "--scratch --root" && cd /sys/bus/pci/devices && printf '%s\n' * ;;
	doctor) echo "--root" && cd /sys/bus/pci/devices && printf '%s\n' * ;;
	*) echo "status doctor measure run --root --help --version" ;;
	esac 2>/dev/null
}

_vfio_wc()
{
	local context="" each word=${COMP_LINE:0:COMP_POINT}

	# Readline takes the colons of a PCI address for ends of words.
	word=${word##* }
	for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $each in
		status | doctor | measure | run) context=${context:-$each} ;;
		--) [ "$context" != run ] || context=program ;;
		esac
	done
	case $3 in
	--pid | --bar | --driver | --mode)
		context=$3 ;;
	--root)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return ;;
	esac
	if [ "$context" = program ]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -c -- "$word" | sort -u)
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(_vfio_wc_words "$context")" -- "$word")
	if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
	fi
}

complete -F _vfio_wc vfio-wc
