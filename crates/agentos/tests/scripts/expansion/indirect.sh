name=target; target=value
echo "${!name}"
arr=(x y z); ref='arr[1]'
echo "${!ref}"
unset nothing; n=nothing; echo "[${!n}]"
