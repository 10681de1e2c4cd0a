cat <<EOF
one \
two
EOF
cat <<'EOF'
one \
two
EOF
