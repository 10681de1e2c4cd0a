cat <<EOF
line 1
  indented
line 3
EOF
