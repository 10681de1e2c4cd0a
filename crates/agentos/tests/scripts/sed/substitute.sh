printf 'one one\ntwo\n' > f; sed 's/one/1/' f; sed 's/one/1/g' f; sed 's/one/1/2' f; sed -n 's/two/2/p' f; sed 's/ONE/x/I' f; sed 's|o|0|g' f; sed 's/o/[&]/' f
