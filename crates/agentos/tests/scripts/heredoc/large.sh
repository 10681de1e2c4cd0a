cat <<EOF | wc -lc
$(seq 1 2000)
EOF
