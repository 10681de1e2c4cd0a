set -o noclobber; [[ -o noclobber ]] && echo on; set +o noclobber; [[ -o noclobber ]] || echo off
