case hello in
  h*o)
    echo first
    echo second
    ;;
  *) echo no ;;
esac
