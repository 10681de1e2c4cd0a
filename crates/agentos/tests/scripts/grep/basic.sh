printf 'apple\nBanana\ncherry\n' > f; grep an f; grep -i b f; grep -v a f; grep -c a f; grep -n r f; grep -q zzz f; echo $?; grep x none; echo $?
