/* Two more symbols of one name: each file has its own twin. */
static __attribute__((noinline, used)) int twin(void)
{
	return 1;
}

int main(void)
{
	return twin() - 1;
}
