cat <<EOF
$(cat <<INNER
inner $((2*3))
INNER
)
EOF
