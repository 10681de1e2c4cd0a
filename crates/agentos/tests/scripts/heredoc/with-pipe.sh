cat <<EOF | tr a-z A-Z | sort -r
alpha
beta
EOF
