int twin_caller(void);

static __attribute__((noinline, used)) int twin(void)
{
	return 2;
}

int twin_caller(void)
{
	return twin();
}
