def answers_of(*a):
    class A:
        answers = None

    return A


def judge(x):
    return []
