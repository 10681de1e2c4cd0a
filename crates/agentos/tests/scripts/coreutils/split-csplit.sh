seq 10 > f; split -l 4 f p; ls; cat pac; split -b 5 -d f q; cat q00; printf 'a\n--\nb\n--\nc\n' > g; csplit -s g '/--/' '{*}'; cat xx01; ls xx* | wc -l
