seq 3 | sed '2i\before'; seq 3 | sed '2a after'; seq 3 | sed '2c\changed'; seq 3 | sed '$a\
end'
