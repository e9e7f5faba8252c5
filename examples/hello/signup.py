import asyncio
from datetime import timedelta

from dalsegno import Client, RetryPolicy, activity, workflow


@activity.defn
def send_mail(address: str, text: str) -> None:  # runs in a worker, again if it fails
    print(f"to {address}: {text}")


@workflow.defn
class Signup:
    def __init__(self) -> None:
        self.confirmed = False

    @workflow.run
    async def run(self, address: str) -> str:
        await self.mail(address, "Is this your address?")
        try:  # survives crashes and deployments, and costs no memory meanwhile
            await workflow.wait_condition(lambda: self.confirmed, timeout=timedelta(days=7))
        except TimeoutError:
            return "forgotten"
        await self.mail(address, "Welcome!")
        return "welcome"

    async def mail(self, address: str, text: str) -> None:
        await workflow.execute_activity(
            send_mail, args=[address, text], retry_policy=RetryPolicy(maximum_attempts=20)
        )

    @workflow.signal
    def confirm(self) -> None:
        self.confirmed = True


async def main() -> None:
    async with Client.connect("embedded:.dalsegno/broker.db") as client:  # or amqp://...
        signup = await client.start(Signup.run, "ann@example.com", id="signup-ann")
        await signup.signal(Signup.confirm)
        print(await signup.result())


if __name__ == "__main__":
    asyncio.run(main())
