case $- in *e*) echo e;; *) echo none;; esac; set -eu; case $- in *e*u*|*u*e*) echo eu;; esac
