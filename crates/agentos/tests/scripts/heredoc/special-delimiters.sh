cat <<\END
$x
END
cat <<-'_x-1'
	$y
	_x-1
