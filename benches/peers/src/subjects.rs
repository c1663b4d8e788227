//! The circuit breakers, each behind the same two traits. Each is set up as an ordinary user would:
//! opens after some failures, 30 ms open in the probes, everything else as it comes.

use std::cell::Cell;
use std::time::Duration;

use crate::breaker::{Breaker, CallError, Class, Classify, Settings};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Oops;

impl std::fmt::Display for Oops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("oops")
    }
}

impl std::error::Error for Oops {}

impl Classify for Oops {
    fn class(&self) -> Class {
        Class::Failure
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ended {
    Ok,
    Failed,
    Rejected,
}

/// When it opens.
#[derive(Debug, Clone, Copy)]
pub enum Opens {
    Never,
    Soon { reset: Duration },
}

pub trait Sync {
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended;
}

pub trait Async {
    fn call<F: Future<Output = Result<u32, Oops>> + Send + 'static>(
        &self,
        work: F,
    ) -> impl Future<Output = Ended>;
}

/// No breaker.
pub struct None;

impl Sync for None {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        if work().is_ok() { Ended::Ok } else { Ended::Failed }
    }
}

impl Async for None {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        if work.await.is_ok() { Ended::Ok } else { Ended::Failed }
    }
}

pub fn ours(opens: Opens) -> Breaker {
    let (failure_threshold, reset_timeout) = match opens {
        Opens::Never => (u32::MAX, Duration::from_secs(60)),
        Opens::Soon { reset } => (5, reset),
    };
    Breaker::new(
        "ours",
        Settings {
            failure_threshold,
            reset_timeout,
            probe_lease: Duration::from_millis(60),
            half_open_permits: 2,
            ..Settings::default()
        },
    )
}

fn of_call_error<T>(result: Result<T, CallError<Oops>>) -> Ended {
    match result {
        Ok(_) => Ended::Ok,
        Err(CallError::Rejected(_)) => Ended::Rejected,
        Err(_) => Ended::Failed,
    }
}

impl Sync for Breaker {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        of_call_error(self.call_sync(work))
    }
}

impl Async for Breaker {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        of_call_error(Breaker::call(self, work).await)
    }
}

pub fn failsafe_windowed(opens: Opens) -> impl Sync + Async + std::marker::Sync {
    use failsafe::{backoff, failure_policy};
    let policy = |reset| {
        failure_policy::success_rate_over_time_window(
            if matches!(opens, Opens::Never) { 0.0 } else { 0.5 },
            5,
            Duration::from_secs(60),
            backoff::constant(reset),
        )
    };
    let reset = match opens {
        Opens::Never => Duration::from_secs(60),
        Opens::Soon { reset } => reset,
    };
    Failsafe(failsafe::Config::new().failure_policy(policy(reset)).build())
}

pub fn failsafe_consecutive(opens: Opens) -> impl Sync + Async + std::marker::Sync {
    use failsafe::{backoff, failure_policy};
    let (failures, reset) = match opens {
        Opens::Never => (u32::MAX, Duration::from_secs(60)),
        Opens::Soon { reset } => (5, reset),
    };
    let policy = failure_policy::consecutive_failures(failures, backoff::constant(reset));
    Failsafe(failsafe::Config::new().failure_policy(policy).build())
}

struct Failsafe<T>(T);

fn of_failsafe<T>(result: Result<T, failsafe::Error<Oops>>) -> Ended {
    match result {
        Ok(_) => Ended::Ok,
        Err(failsafe::Error::Rejected) => Ended::Rejected,
        Err(failsafe::Error::Inner(_)) => Ended::Failed,
    }
}

impl<T: failsafe::CircuitBreaker> Sync for Failsafe<T> {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        of_failsafe(self.0.call(work))
    }
}

impl<T: failsafe::futures::CircuitBreaker> Async for Failsafe<T> {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        of_failsafe(failsafe::futures::CircuitBreaker::call(&self.0, work).await)
    }
}

pub struct Recloser {
    plain: recloser::Recloser,
    shared: recloser::AsyncRecloser,
}

pub fn recloser(opens: Opens) -> Recloser {
    let build = || match opens {
        Opens::Never => recloser::Recloser::custom().error_rate(2.0).build(),
        Opens::Soon { reset } => recloser::Recloser::custom()
            .error_rate(0.5)
            .closed_len(5)
            .half_open_len(2)
            .open_wait(reset)
            .build(),
    };
    Recloser { plain: build(), shared: recloser::AsyncRecloser::from(build()) }
}

fn of_recloser<T>(result: Result<T, recloser::Error<Oops>>) -> Ended {
    match result {
        Ok(_) => Ended::Ok,
        Err(recloser::Error::Rejected) => Ended::Rejected,
        Err(recloser::Error::Inner(_)) => Ended::Failed,
    }
}

impl Sync for Recloser {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        of_recloser(self.plain.call(work))
    }
}

impl Async for Recloser {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        of_recloser(self.shared.call(work).await)
    }
}

pub fn nobreak(opens: Opens) -> nobreak::CircuitBreaker {
    let (failures, reset) = match opens {
        Opens::Never => (usize::MAX, Duration::from_secs(60)),
        Opens::Soon { reset } => (5, reset),
    };
    nobreak::builder().with_failure_threshold(failures).with_open_duration(reset).build()
}

fn of_nobreak<T>(result: Result<T, nobreak::CircuitError<Oops>>) -> Ended {
    match result {
        Ok(_) => Ended::Ok,
        Err(nobreak::CircuitError::Open) => Ended::Rejected,
        Err(_) => Ended::Failed,
    }
}

impl Sync for nobreak::CircuitBreaker {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        of_nobreak(nobreak::CircuitBreaker::call(self, work))
    }
}

impl Async for nobreak::CircuitBreaker {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        of_nobreak(self.call_async(|| work).await)
    }
}

pub type Rs = circuitbreaker_rs::CircuitBreaker<circuitbreaker_rs::DefaultPolicy, Oops>;

pub fn circuitbreaker_rs(opens: Opens) -> Rs {
    match opens {
        Opens::Never => Rs::builder()
            .failure_threshold(2.0)
            .consecutive_failures(u64::MAX)
            .min_throughput(u64::MAX)
            .build(),
        Opens::Soon { reset } => Rs::builder()
            .failure_threshold(0.5)
            .consecutive_failures(5)
            .min_throughput(5)
            .probe_interval(2)
            .cooldown(reset)
            .build(),
    }
}

fn of_rs<T>(result: Result<T, circuitbreaker_rs::BreakerError<Oops>>) -> Ended {
    match result {
        Ok(_) => Ended::Ok,
        Err(circuitbreaker_rs::BreakerError::Open) => Ended::Rejected,
        Err(_) => Ended::Failed,
    }
}

impl Sync for Rs {
    #[inline]
    fn call(&self, work: impl FnOnce() -> Result<u32, Oops>) -> Ended {
        of_rs(circuitbreaker_rs::CircuitBreaker::call(self, work))
    }
}

impl Async for Rs {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        of_rs(self.call_async(|| work).await)
    }
}

struct Policy<C>(execution_policy::ExecutionPolicy<C, u32, Oops>);

pub fn execution_policy(opens: Opens) -> impl Async {
    let (failures, reset) = match opens {
        Opens::Never => (u32::MAX, Duration::from_secs(60)),
        Opens::Soon { reset } => (5, reset),
    };
    Policy(
        execution_policy::ExecutionPolicyBuilder::<u32, Oops>::new()
            .circuit_breaker(
                execution_policy::CircuitBreaker::consecutive_failures(failures)
                    .open_for(reset)
                    .half_open_max_calls(2),
            )
            .build(),
    )
}

impl<C: execution_policy::Core> Async for Policy<C> {
    #[inline]
    async fn call<F: Future<Output = Result<u32, Oops>>>(&self, work: F) -> Ended {
        // It may run its closure again and so wants to; without a retry policy it doesn't.
        let work = Cell::new(Some(work));
        let run = self.0.run(async || match work.take() {
            Some(work) => work.await,
            Option::None => Err(Oops),
        });
        match run.await {
            Ok(_) => Ended::Ok,
            Err(execution_policy::ExecutionError::CircuitOpen { .. }) => Ended::Rejected,
            Err(_) => Ended::Failed,
        }
    }
}

type Boxed = futures_util::future::BoxFuture<'static, Result<u32, Oops>>;
type Function = fn(Boxed) -> Boxed;

pub struct Tower(
    tower_resilience_circuitbreaker::CircuitBreaker<
        tower::util::ServiceFn<Function>,
        tower_resilience_circuitbreaker::DefaultClassifier,
    >,
);

pub fn tower(opens: Opens) -> Tower {
    use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};
    let builder = match opens {
        Opens::Never => {
            CircuitBreakerLayer::builder().failure_rate_threshold(1.0).minimum_number_of_calls(usize::MAX)
        }
        Opens::Soon { reset } => CircuitBreakerLayer::builder()
            .failure_rate_threshold(0.5)
            .minimum_number_of_calls(5)
            .permitted_calls_in_half_open(2)
            .wait_duration_in_open(reset),
    };
    let layer =
        builder.sliding_window_type(SlidingWindowType::CountBased).sliding_window_size(100).build().unwrap();
    Tower(layer.layer_fn(tower::service_fn((|work| work) as Function)))
}

impl Async for Tower {
    async fn call<F: Future<Output = Result<u32, Oops>> + Send + 'static>(&self, work: F) -> Ended {
        use tower::Service;
        let mut service = self.0.clone();
        match service.call(Box::pin(work)).await {
            Ok(_) => Ended::Ok,
            Err(tower_resilience_circuitbreaker::CircuitBreakerError::OpenCircuit) => Ended::Rejected,
            Err(_) => Ended::Failed,
        }
    }
}
