"""The chart's rows: one per 20 s of city time, of the present run."""

import asyncio

from tests.web.replay import ReplayCity

from cityloop.web.trend import TrendKeeper


def test_a_row_is_kept_per_twenty_seconds_of_city_time() -> None:
    async def story() -> None:
        city = ReplayCity()
        keeper = TrendKeeper(city)
        for _ in range(100):
            await city.advance()
            keeper.take()
        assert len(keeper.trend.city_time) == 5

    asyncio.run(story())


def test_a_long_run_thins_out_instead_of_growing() -> None:
    async def story() -> None:
        city = ReplayCity()
        keeper = TrendKeeper(city, room=20)
        for _ in range(25):
            await city.advance(20)
            keeper.take()
        trend = keeper.trend
        assert 10 < len(trend.city_time) < 20
        assert len(trend.att_loop_s) == len(trend.att_baseline_s) == len(trend.city_time)

    asyncio.run(story())
