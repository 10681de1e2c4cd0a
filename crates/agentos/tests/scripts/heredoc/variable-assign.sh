x=$(cat <<'EOF'
multi $line
text
EOF
)
echo "$x"
