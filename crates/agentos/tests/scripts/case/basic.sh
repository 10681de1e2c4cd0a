for x in apple banana cherry 42 ''; do
  case $x in a*) echo A;; b*|c*) echo BC;; [0-9]*) echo digit;; *) echo other;; esac
done
