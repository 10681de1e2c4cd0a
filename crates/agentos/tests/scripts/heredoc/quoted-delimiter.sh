v=val; cat <<'EOF'
$v $(echo sub) \$v \\
EOF
cat <<"E F"
$v
E F
