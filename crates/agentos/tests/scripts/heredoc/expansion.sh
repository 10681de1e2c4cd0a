v=val; cat <<EOF
$v ${v}x $(echo sub) $((1+2)) \$v \\ \` "quotes" 'single'
EOF
