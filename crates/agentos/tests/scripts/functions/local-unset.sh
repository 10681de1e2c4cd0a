x=outer; f() { local x; echo "[${x-unset}]"; x=1; unset x; echo "[${x-unset}]"; }; f; echo $x
